"""What the person does by themselves: the code card and its page, how it went, follow-ups."""
