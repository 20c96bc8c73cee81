"""From domain values to messages: total functions, nothing looked up, nothing decided.

An absent value is an absent field; a name travels as `str` of its reference.
"""
