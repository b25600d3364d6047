"""What every command shares: its steps, its options, its settings file, its terminal."""
