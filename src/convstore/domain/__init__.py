"""The rules of conversations: types, commands, events, decide and evolve. Pure: nothing in here waits."""
