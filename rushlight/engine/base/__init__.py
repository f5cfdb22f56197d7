"""Dtypes, devices, shapes, strides, promotion, settings: no knowledge of tensors or graphs."""
