"""Train an existing model further, to classify texts, to answer, or to prefer some texts.

By default it is the storyteller that comes with the course.

Example:
    companion finetune classify --data labelled.csv
"""
