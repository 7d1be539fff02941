"""What applies and what looks wrong: `explain`, `survey`, `check`."""
