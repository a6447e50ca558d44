"""Operators computed together, row by row, so that what lies between them never exists as a whole.

A run of convolutions, poolings and element-wise operators needs only a few rows of each tensor at a time. `order`
says in which order rows are computed so that each is made just before it is needed; `windows` finds how many rows of
each tensor live at a time and where in memory they are; `fuse` turns that into one step with many kernel calls, the
same kernels as for whole tensors, called for a few rows; `select` finds the runs that make the arena smaller. Nothing
is computed twice. The first run may begin with the rows of an input, which the caller gives (`feed`, `stream`).
"""
