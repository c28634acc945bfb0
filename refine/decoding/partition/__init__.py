"""DeepCut: joints are partitioned into persons by an integer linear program."""
