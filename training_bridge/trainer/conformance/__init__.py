"""Claims about every loss, each checked: `python -m training_bridge.trainer.conformance`.

`oracles/` has one file per method, written from its formula in plain Python in float64, without torch. `claims/` has
one file per method: what must hold of our loss, by that oracle, by a limit that the paper names, or by another
method that it must equal. A claim raises AssertionError with both numbers.
"""
