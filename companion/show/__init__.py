"""What the chapters show: plots, diagrams and widgets, in one visual language."""
