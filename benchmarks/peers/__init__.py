"""The engines that a user would take instead, on the same topic in the same run."""
