"""The losses' fast form on a GPU: Triton kernels."""
