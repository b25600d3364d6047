"""stub"""
def read_tokenizer(folder):
    return None
def write_tokenizer(tokenizer, folder):
    pass
