"""The directory in the words of HSDS 3.2.3 (Human Services Data Specification, Open Referral)."""
