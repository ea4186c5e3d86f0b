"""Loss for partially annotated label maps.

An organ that nobody contoured is unknown: its probability is added to the
background's, and its Dice is not asked for. (Marginal and exclusion losses:
Shi et al., Medical Image Analysis 70, 2021.)
"""

import torch
import torch.nn.functional as F

IGNORE = 255


def marginal_loss(logits, target, known, log_dice=False):
    """Cross-entropy plus soft Dice; with `log_dice` its logarithm, whose slope stays
    steep while a small organ is not found at all (Wong et al., MICCAI 2018).

    `logits` [N, K, z, y, x]; `target` [N, z, y, x] label values or `IGNORE`;
    `known` [N, K] bool, true where the label was annotated (background always).
    """
    log_p = F.log_softmax(logits.float(), 1)
    if not known.all():
        merged = ~known  # background and everything unknown are one class
        merged[:, 0] = True
        background = log_p.masked_fill(~merged[:, :, None, None, None], -torch.inf)
        log_p = torch.cat((background.logsumexp(1, keepdim=True), log_p[:, 1:]), 1)

    # Ignored voxels join a class of their own, counted and dropped.
    classes = logits.shape[1]
    valid = target != IGNORE
    place = torch.where(valid, target, 0)
    log_p_true = log_p.gather(1, place[:, None])[:, 0]
    cross_entropy = -(log_p_true * valid).sum() / valid.sum().clamp(min=1)

    # Dice over the batch, for labels that occur in it and are known.
    place = torch.where(valid, target, classes).flatten()
    overlap = log_p.new_zeros(classes + 1).index_add(0, place, log_p_true.exp().flatten())
    counted = torch.bincount(place, minlength=classes + 1)
    p = log_p.exp()
    if not valid.all():
        p = p * valid[:, None]
    size = (p.sum((2, 3, 4)) * known).sum(0) + counted[:classes]
    dice = ((2 * overlap[:classes] + 1) / (size + 1))[1:]
    present = counted[1:classes] > 0
    if not present.any():
        return cross_entropy
    lost = -dice.log() if log_dice else 1 - dice
    return cross_entropy + (lost * present).sum() / present.sum()
