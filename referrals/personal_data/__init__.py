"""What is kept about persons and how: keys, sealing, erasing, retention, access, the register (GDPR)."""
