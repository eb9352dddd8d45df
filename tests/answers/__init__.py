"""Exact or refused: the same data in one PostgreSQL and in three shards, the same statements to both.

wire.py runs a statement as bytes on the wire, world.py holds the two databases, compare.py decides what is the same answer, casefile.py reads
the written statements of cases/, grammar.py makes others from a seed.
"""
