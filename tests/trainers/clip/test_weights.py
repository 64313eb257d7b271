"""Names of transformers become ours, all of them. (The numbers are compared in test_model.)"""

import torch

from trainers.clip.config import CLIPConfig, ImageTowerConfig, TextTowerConfig
from trainers.clip.model import CLIP
from trainers.clip.weights import from_transformers


def test_every_name_is_known_and_the_logit_scale_gets_its_shape() -> None:
    from transformers import CLIPConfig as TheirConfig
    from transformers import CLIPModel

    common = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 64}
    text = common | {"vocab_size": 30, "max_position_embeddings": 7}
    with torch.device("meta"):
        theirs = CLIPModel(
            TheirConfig(text_config=text, vision_config=common | {"image_size": 16, "patch_size": 8}, projection_dim=8)
        )
        image = ImageTowerConfig(size=16, layers=2, width=16, heads=2, patch=8)
        ours = CLIP(
            CLIPConfig(
                embed_dim=8, image=image, text=TextTowerConfig(vocab_size=30, context=7, layers=2, width=16, heads=2)
            )
        )
    renamed = from_transformers(theirs.state_dict())
    expected = {name: tensor.shape for name, tensor in ours.state_dict().items()}
    assert {name: tensor.shape for name, tensor in renamed.items()} == expected
