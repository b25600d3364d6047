"""What a model runs on and is made of: devices, masks, shapes, and a look at its parts."""
