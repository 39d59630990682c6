"""How large a record may be, from its sender to what leaves: one number, and what follows from it.

An event is smaller than a record, a record smaller than what topics in take, and that smaller than what topics out
take, which is what the relay sends: whatever comes in can leave with the headers that say why it was rejected. Brokers
measure a batch after it was compressed, with what is around it; a producer measures before.

    event 1 MiB < record 16 MiB < topic in 17 MiB < topic out 18 MiB = relay = broker
"""

from typing import Final

MIB: Final = 1024 * 1024

# The one number: the value of a record that is kept, be it too large to be an event. The largest events have it too.
RECORD_BYTES_MAX: Final = 16 * MIB
# Key, headers and batch around a value: what a sender puts there, and then what a rejection adds.
AROUND_BYTES: Final = 1 * MIB
TOPIC_IN_BYTES_MAX: Final = RECORD_BYTES_MAX + AROUND_BYTES
TOPIC_OUT_BYTES_MAX: Final = TOPIC_IN_BYTES_MAX + AROUND_BYTES
RELAY_BYTES_MAX: Final = TOPIC_OUT_BYTES_MAX
# A broker's own limit holds for topics that set none, and for replicas.
BROKER_BYTES_MAX: Final = TOPIC_OUT_BYTES_MAX

# What a message of ours has around its value: far below AROUND_BYTES.
KEY_BYTES_MAX: Final = 4_096
HEADERS_MAX: Final = 16
HEADER_CHARACTERS_MAX: Final = 4_096

# What one answer of a broker may bring of a partition, and in all. A record that is larger comes all the same, alone.
FETCH_PARTITION_BYTES: Final = 4 * MIB
RECEIVE_BYTES_MAX: Final = 256 * MIB
# A record that was compressed may unpack to this, which no topic takes as it is; compressed again it can leave.
UNPACKED_BYTES_MAX: Final = RECEIVE_BYTES_MAX + AROUND_BYTES

# One batch of the relay, as rows and once more in the producer's queue; a message that is larger goes alone.
BATCH_BYTES_MAX: Final = 32 * MIB
QUEUE_KBYTES_MAX: Final = 2 * UNPACKED_BYTES_MAX // 1024
