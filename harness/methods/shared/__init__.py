"""What several strategies are made of: anchors, averages, distillation, projections, subspaces."""
