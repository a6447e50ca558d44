"""placeholder for timing only"""
from __future__ import annotations
class Budget:
    spent=0; clocked=False; left=0
    @staticmethod
    def of_seconds(s): return Budget()
def search(*a): raise NotImplementedError
