"""Losses as pure functions on tensors, one file each: no model, no batch, no settings object.

Every one takes log-ratios r = sum_t m_t (log pi - log pi_ref) in nats, shape (B,) unless said otherwise, and returns
one loss per row, (B,); the recipe takes the mean.
"""
