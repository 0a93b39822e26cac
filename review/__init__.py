"""The review desk: two people decide about every hit, on the same evidence, under a clause that was in force."""
