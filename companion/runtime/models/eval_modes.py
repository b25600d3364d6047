"""A model's mode: training (with dropout) or evaluation (without)."""


class eval_mode:
    """`with eval_mode(model):` no dropout inside; after it, error or not, each part has its mode as before.

    Made once, it may be entered many times: to list a model's parts can take as long as a cached step.
    """

    def __init__(self, model):
        self.parts = list(model.modules())

    def __enter__(self) -> None:
        self.training = [part for part in self.parts if part.training]
        for part in self.training:
            part.training = False

    def __exit__(self, *error) -> None:
        for part in self.training:
            part.training = True
