"""Figures, each with the points behind it.

A figure that is a job's is a file with ``draw(job)``: it reads the job's inputs and gives role to bytes of its outputs.
"""
