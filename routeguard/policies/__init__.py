"""The policies: one file a policy, its machinery beside it."""
