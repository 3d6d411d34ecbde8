"""Moving pictures: animations and short videos in, the same with emoji out.

`types` has what the parts exchange, `Pipeline` joins them. A clip is decoded twice, one
frame at a time: to follow the faces, and to paint the emoji. So memory does not grow
with its length.
"""
