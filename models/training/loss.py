"""Loss for partially annotated label maps.

An organ that nobody contoured is unknown: its probability is added to the
background's, and its Dice is not asked for. (Marginal and exclusion losses:
Shi et al., Medical Image Analysis 70, 2021.)
"""

import torch
import torch.nn.functional as F


def marginal_loss(logits, target, known):
    """Cross-entropy plus soft Dice.

    `logits` [N, K, z, y, x]; `target` [N, z, y, x] label values, 255 = ignore;
    `known` [N, K] bool, true where the label was annotated (background always).
    """
    logits = logits.float()
    log_p = F.log_softmax(logits, 1)
    unknown = ~known
    unknown[:, 0] = True  # background and everything unknown are one class
    merged = log_p.masked_fill(~unknown[:, :, None, None, None], -torch.inf)
    merged = torch.logsumexp(merged, 1, keepdim=True)
    log_p = torch.cat((merged, log_p[:, 1:]), 1)

    valid = (target != 255)
    safe = target.clamp(max=logits.shape[1] - 1) * valid
    nll = -log_p.gather(1, safe[:, None])[:, 0]
    cross_entropy = (nll * valid).sum() / valid.sum().clamp(min=1)

    # Dice over the batch, for labels that occur in it and are known.
    p = log_p[:, 1:].exp() * (valid[:, None] & known[:, 1:, None, None, None])
    truth = F.one_hot(safe, logits.shape[1]).movedim(-1, 1)[:, 1:].to(p.dtype) * valid[:, None]
    overlap = (p * truth).sum((0, 2, 3, 4))
    size = p.sum((0, 2, 3, 4)) + truth.sum((0, 2, 3, 4))
    present = truth.amax((0, 2, 3, 4)) > 0
    dice = (2 * overlap + 1) / (size + 1)
    dice_loss = 1 - (dice * present).sum() / present.sum() if present.any() else 0.0
    return cross_entropy + dice_loss
