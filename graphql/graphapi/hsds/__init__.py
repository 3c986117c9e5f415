"""The REST face of HSDS 3.2.3 under /hsds/: parameters, answers, its description. Published entries only."""
