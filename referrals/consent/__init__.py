"""What a consent covers, its records, the words a person is shown, and its renewal (ISO/IEC TS 27560)."""
