"""The route: from Kafka through the desks into the store, to the judges, and out again. All I/O is here."""
