"""Messages by e-mail and SMS: consumers of the log with an outbox of their own, and answers that come back by mail.

Each channel has one leader among all server processes. It reads the log from the channel's checkpoint and writes a row
for each message and person (``consumer.py``); it takes rows that are due, sends them and writes down what became of
them (``sender.py``). Neither texts nor addresses are kept: both are read when something is sent. Nothing here hangs on
a read model's rebuild.
"""
