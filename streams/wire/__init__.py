"""Kafka in and out: fetches that are read, messages that are sent, settings of topics, what was rejected or refused.

In: records of Kafka, and the outbox of the store. Out: fetches as a whole for the worker, messages with Kafka's word
for each. It decides nothing about events but whether they could be admitted, and knows no rule.
"""
