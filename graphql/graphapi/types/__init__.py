"""What callers can read: one GraphQL type per thing, resolved field by field over the stored documents."""
