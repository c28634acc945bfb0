from .evaluation import evaluate_corpus as evaluate_corpus
from .ray import refine_dataset as refine_dataset
from .table import refine_table as refine_table
