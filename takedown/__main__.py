"""``python -m takedown``: the same front door."""

from takedown.cli import main

main()
