"""The exported network rewritten: the same numbers, computed with fewer and better aligned copies.

ShuffleNetV2 copies half of its channels unchanged past every block, by a slice, a concatenation and a
shuffle. None of that computes anything. A convolution may have its output channels in any order, so
here each has them grouped by who needs them next; a block gathers what it works on by one
concatenation, and shuffles are gone. Channels of zeros fill groups up to what the engine packs.

`plan` says how wide groups are; `flow` follows each channel from its convolution to those that need
it; `layout` groups them; `build` makes the network; `restore` takes weights back to the original form.
"""
