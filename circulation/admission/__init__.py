"""From the bytes of a record to typed events, or to coded rejections (contract §1). Pure, and total.

In: a record with its topic, key and headers, and the clock. Out: an `Event`, a `Rejection`, or of a batch a list of
both (`admission`). `records` reads the bytes, `envelope` a CloudEvent, `circulation.openlineage` what is
none; `sources` has who may say what. It knows events, identifiers and instants, and no fact.
"""
