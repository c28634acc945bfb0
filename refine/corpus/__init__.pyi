from .evaluation import evaluate_corpus as evaluate_corpus
from .table import refine_table as refine_table
