"""Score: tell an offer from a report. Writes ``Score`` records; knows nothing of where a text came from."""
