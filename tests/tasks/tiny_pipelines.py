"""Pipelines of the published classes with random weights, small enough for a test, and a way to save them in hub format."""

import torch

WORDS = ["a", "red", "blue", "dog", "cat", "star", "moving", "left", "right", "on", "ground"]


def t5(width=32):
    from transformers import T5Config, T5EncoderModel

    from effbench.zoo.words import tokenizer_of

    tokenizer = tokenizer_of({word: 5 for word in WORDS}, max_tokens=16)
    config = T5Config(vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return tokenizer, T5EncoderModel(config).eval()


def livelier(model):
    """Return the model with weights large enough that prompt, noise and guidance all show in what it gives."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(2.0)
    return model.eval()


def sampler():
    from effbench.zoo.flow import sampler as make

    return make()


def kl_autoencoder():
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, latent_channels=4, layers_per_block=1, sample_size=16,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()  # fmt: skip


def pixart():
    from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel

    tokenizer, encoder = t5()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, cross_attention_dim=16,
        sample_size=8, patch_size=2, caption_channels=32, use_additional_conditions=False,
    )  # fmt: skip
    return PixArtSigmaPipeline(tokenizer, encoder, kl_autoencoder(), livelier(transformer), sampler())


def dit():
    from diffusers import DiTPipeline, DiTTransformer2DModel

    transformer = DiTTransformer2DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, sample_size=8,
        patch_size=2, num_embeds_ada_norm=1000,
    )  # fmt: skip
    return DiTPipeline(livelier(transformer), kl_autoencoder(), sampler())


def clip(width, projected):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<start>", "<end>", "<unk>", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 0), ("<end>", 1)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<start>", eos_token="<end>", unk_token="<unk>", pad_token="<end>",
        model_max_length=12,
    )  # fmt: skip
    config = CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=width, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=12, projection_dim=width, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    return tokenizer, (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def sdxl(scheduler="EulerDiscreteScheduler"):
    import diffusers
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    one, two = clip(16, projected=False), clip(24, projected=True)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=6 * 8 + 24, cross_attention_dim=40,
        transformer_layers_per_block=(1, 1),
    )  # fmt: skip
    return StableDiffusionXLPipeline(
        kl_autoencoder(), one[1], two[1], one[0], two[0], livelier(unet), getattr(diffusers, scheduler)()
    )


def latte():
    from diffusers import LattePipeline, LatteTransformer3DModel

    tokenizer, encoder = t5()
    transformer = LatteTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=1, sample_size=8,
        patch_size=2, cross_attention_dim=16, caption_channels=32, video_length=3, attention_bias=True,
        activation_fn="gelu-approximate", num_embeds_ada_norm=1000, norm_type="ada_norm_single",
        norm_elementwise_affine=False, norm_eps=1e-6,
    )  # fmt: skip
    return LattePipeline(tokenizer, encoder, kl_autoencoder(), livelier(transformer), sampler())


def cogvideox():
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel

    tokenizer, encoder = t5()
    vae = AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3, latent_channels=4, layers_per_block=1, norm_num_groups=2,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8), temporal_compression_ratio=4,
    ).eval()  # fmt: skip
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, time_embed_dim=2, text_embed_dim=32,
        num_layers=1, sample_width=2, sample_height=2, sample_frames=9, patch_size=2, temporal_compression_ratio=4,
        max_text_seq_length=16,
    )  # fmt: skip
    return CogVideoXPipeline(tokenizer, encoder, vae, livelier(transformer), CogVideoXDDIMScheduler())


def wan():
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel

    tokenizer, encoder = t5()
    vae = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    ).eval()
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=32,
        freq_dim=256, ffn_dim=32, num_layers=1, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    return WanPipeline(tokenizer, encoder, vae, FlowMatchEulerDiscreteScheduler(), livelier(transformer))


MAKERS = {
    "PixArtSigmaPipeline": pixart,
    "StableDiffusionXLPipeline": sdxl,
    "DiTPipeline": dit,
    "LattePipeline": latte,
    "CogVideoXPipeline": cogvideox,
    "WanPipeline": wan,
}


def make(name):
    """Return a pipeline of a class, the same weights every time."""
    torch.manual_seed(0)
    pipeline = MAKERS[name]()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
