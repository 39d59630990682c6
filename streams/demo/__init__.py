"""The demo: a story and a simulated market through a real Kafka, and the proof that nothing was lost or counted twice.

In: a folder and a size. Out: a running Kafka, worker and web pages, and what the demo proved. It uses commands as a
person would, and nothing else knows of it.
"""
