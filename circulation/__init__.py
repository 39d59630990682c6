"""The words of circulation: events, facts, terms, packs, findings. Pure: values in, values out, no I/O, no clock."""
