"""The query language of DHIS2's lists and objects: contract section 5.

``fields``, ``filters`` and ``paging`` parse parameters into typed values; ``entities`` is what they may speak of;
``compile`` turns the values into SQL with bound parameters, ``shape`` says what to fetch and how to lay it out.
"""
