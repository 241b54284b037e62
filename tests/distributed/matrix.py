"""The rows of the equivalence matrix: one entry a method, with its plain-PyTorch reference.

To add a strategy: write its reference in references/, at most 40 lines, and enter it in rows/.
"""

from rows import adapters, anchors, baselines, distillation, gradients, seq2seq, subspaces

ADAPTER = "method.adapter={kind: lora, rank: 4, alpha: 32, dropout: 0, targets: [q_proj, v_proj]}"
ADAPTERS = {"full": [], "lora": [f"+{ADAPTER}"]}
GROUPS = (baselines, anchors, gradients, subspaces, distillation, adapters, seq2seq)
MATRIX = {name: row for group in GROUPS for name, row in group.ROWS.items()}
