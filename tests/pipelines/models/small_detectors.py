"""Detectors of transformers with random small weights, saved to a folder."""

import json
from pathlib import Path
from typing import Any

QUERIES, WIDTH, LABELS = 12, 16, 3
STEPS = {
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


def save_detector(folder: Path, kind: str, *, seed: int = 0, **steps: Any) -> str:
    """Save a detector; return its folder."""
    import torch
    from transformers import (
        DetrConfig,
        DetrForObjectDetection,
        ResNetConfig,
        RTDetrConfig,
        RTDetrForObjectDetection,
        RTDetrResNetConfig,
        YolosConfig,
        YolosForObjectDetection,
    )

    layers = {"embedding_size": 8, "hidden_sizes": [8] * 4, "depths": [1] * 4, "layer_type": "basic"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "yolos":
            model: Any = YolosForObjectDetection(
                YolosConfig(
                    hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                    image_size=[64, 64], patch_size=16, num_detection_tokens=QUERIES, num_labels=LABELS,
                )
            )  # fmt: skip
        elif kind == "detr":
            model = DetrForObjectDetection(
                DetrConfig(
                    backbone_config=ResNetConfig(**layers, out_features=["stage4"]), use_timm_backbone=False,
                    d_model=WIDTH, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                    decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, num_queries=QUERIES,
                    num_labels=LABELS,
                )
            )  # fmt: skip
        else:
            stages = ["stage2", "stage3", "stage4"]
            model = RTDetrForObjectDetection(
                RTDetrConfig(
                    backbone_config=RTDetrResNetConfig(**layers, out_features=stages), encoder_hidden_dim=16,
                    encoder_in_channels=[8] * 3, encoder_ffn_dim=16, encoder_attention_heads=2, d_model=WIDTH,
                    decoder_in_channels=[16] * 3, decoder_ffn_dim=16, decoder_attention_heads=2, decoder_layers=1,
                    num_queries=QUERIES, num_denoising=0, num_labels=LABELS,
                )
            )  # fmt: skip
        model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(STEPS | steps))
    return str(folder)
