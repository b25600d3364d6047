"""The check of exercise 22.1: How many numbers?."""

from companion.exercises.exercise import Number

EXERCISE = Number(
    number="22.1",
    title="How many numbers?",
    stars=1,
    wants="numbers_of_the_lstm()",
    answer=395_264,
    tolerance=0.5,
    mistakes=[
        (98_816, "That is one block of the four: an RNN of this size."),
        (296_448, "That is three blocks: a GRU of this size. The LSTM has a proposal and three gates."),
        (394_240, "One bias is missing: PyTorch has one for the token's product and one for the state's."),
        (393_216, "The biases are missing, two for each block."),
        (131_072, "That is the tokens' matrices alone. The state has one in each block, too."),
        (262_144, "That is the states' matrices alone. The token has one in each block, too."),
        (197_632, "That is half: two blocks, or the sizes swapped. 128 is the token's, 256 the state's."),
        (264_192, "Each block has two matrices: 256 by 128 for the token, 256 by 256 for the state."),
        (197_120, "All four blocks have both matrices and both biases, not the first alone."),
        (395_264 * 4, "In bytes, yes, with float32. How many numbers are they?"),
    ],
    right="Four blocks of 256 rows, each with 128 + 256 columns and two biases: 395,264 numbers.",
)
