"""Sends the demo's story to Kafka: half a year among made-up parties, in which some things go wrong."""

import os
import sys

from streams.demo import story
from streams.wire import emit

sent = emit.emit(story.lines(), os.environ["CIRCULATION_KAFKA"])
sys.stdout.write(sent.in_words() + "\n")
