"""The arguments of timm's constructors that a network may have.

timm's `create_model` also has arguments that download, read or write files (`pretrained_cfg`,
`checkpoint_path`, `cache_dir`, ...), and it passes unknown arguments on. A network's arguments are
recorded, and a record may come from an untrusted source. So only arguments that define the
architecture are allowed.
"""

import re
from collections.abc import Mapping
from typing import Any

from multihead.errors import ConfigError

# Arguments of timm 1.0's constructors whose values are numbers, words or lists of these.
_NAMES = """
aa_layer aa_stem_only abs_win_pos_embed act_layer always_partition attn attn_act_layer
attn_drop_rate attn_groups attn_head_dim_reduction attn_layer attn_mlp attn_mlp_ratio
attn_only_layer_scale attn_pool_mlp_ratio attn_pool_num_heads attn_ratio attn_stage attn_type
attn_types attn_upsample avg_down b base_dim base_dims base_width basic bias bidirectional
block_config block_reduce_first block_type bn_size bottle_ratio bottleneck_width_ratio cardinality
ch_div channel_attention channel_attn_v2 channel_multiplier channels class_token cls_attn_layers
cls_ratio conv_bias conv_init conv_mlp conv_ratio cpe_act crop_scale d2_scales deepen_factor depth
depth_list depth_mult depth_token_only depths dim dim_mul dims distillation distilled
down_kernel_size down_op down_ops down_pad down_patch_size down_stride downsample downsample_block
downsample_expand_ratios downsample_kernel_size downsample_norm downsample_padding downsample_ratio
downsamples drop drop_block_rate drop_block_size drop_path_rate drop_rate dropout dw_act_layer
dynamic_img_pad dynamic_img_size embed_dim embed_dims embed_norm embed_norm_layer encoder_pool eta
expand_groups expand_ratio expansion_ratio extra_norm_period extra_norm_stage fc_act_layer fc_norm
feature_dim ffn ffn_ratio final_chs final_norm first_stride fix_init fix_stem focal_levels
focal_windows fused_conv fused_downsample global_att_blocks global_attn_indexes global_block_counts
global_pool global_pos_size group groups growth_rate growth_rates head_bias head_dim head_fn
head_hidden_size head_init_scale head_mul head_norm head_norm_first head_widths heads hidden_size
hidden_sizes img_scale img_size inc_sec init_channels init_values initial_chs inner_dim inplanes
input_3x3 intermediate_size is_downsample_block k_r k_sec kernel_size kernel_sizes kernels key_dim
layer_scale layer_scale_init_value layer_scale_init_values layers layerscale_value legacy levels
linear lkc_use_act local_conv_size local_mbconv_norm local_up_to_layer locality_strength
ls_init_value mask_unit_attn mask_unit_size mbconv_expand_ratio memory_efficient merge_size
mix_block_ratio mlp_act mlp_bias mlp_layer mlp_ratio mlp_ratio_token_only mlp_ratios msfa_indices
msfa_output_resolution multi_conv n_div named_blocks neck_chans nlhb no_embed_class norm_eps
norm_layer norm_layer_cl normalize_modulator num_blocks num_blocks_list num_features num_heads
num_heads_inner num_heads_outer num_init_features num_kv_heads num_levels num_reg_tokens
num_rnn_layers num_vit outlook_attention output_norm output_stride pad_type parallel_depth
partial_dim patch_drop_rate patch_kernel patch_norm patch_padding patch_size patch_sizes
patch_stride pconv_fw_type pool_include_prefix pool_size pool_type pooling_kernel_size pooling_scale
pos_drop_rate pos_embed pos_embed_grid_size position_embedding_size post_layers pre_norm preact
pretrained_window_sizes proj_bias proj_drop_rate q_pool q_stride qk_dim qk_norm qkv_bias qkv_fused
reduction ref_feat_shape reg_tokens rel_pos_dim rel_pos_type reparam replace_stem_pool
repmixer_kernel_size res_scale_init_values rope_grid_indexing rope_grid_offset rope_jitter_coords
rope_mrope_section rope_rescale_coords rope_rotate_half rope_shift_coords rope_temperature
rope_theta rope_type scale scale_attn_inner scale_attn_norm scale_mlp scale_mlp_norm se_downsamples
se_from_exp se_layer se_ratio sep_pos_embed sequential_attn serial_depths shared_rel_pos
shortcut_root small small_kernels spatial_conv sr_ratios ssd_expand stages standardize state_dim
stem_bias stem_chs stem_expand_ratio stem_hidden_dim stem_kernel_size stem_mid_norm stem_norm
stem_size stem_stride stem_type stem_use_scale_branch stem_width strict_img_size stride strides
swiglu_align_to swiglu_mlp token_mixers tokens_norm transformer_depths transformer_drop_path
transition_compression_ratio types union use_abs_pos use_abs_pos_emb use_aux_head
use_clipped_linears use_conv use_expand_proj use_fc_norm use_grn use_lab use_layer_scale
use_mix_token use_mlp_head use_msfa use_overlap_down use_pos_emb use_pos_embed use_post_norm
use_post_norm_in_modulation use_post_transformer_norm use_pre_transformer_norm use_rel_pos
use_rel_pos_bias use_rope use_rot_pos_emb use_shared_rel_pos_bias v2 version vit_stem weight_init
widen_factor width width_factor width_list width_mult widths window_ratio window_size window_sizes
window_spec with_fc wss zero_init_last
"""
SHAPING = frozenset(_NAMES.split())
_WORD = re.compile(r"\w*", re.ASCII)


def check_options(options: Mapping[str, Any]) -> None:
    """Check arguments for timm's constructor.

    Raises:
        ConfigError: For an argument that does not define the architecture, or for a value that is
            not a number, a word or a list of these.
    """
    for name, value in options.items():
        if name not in SHAPING:
            raise ConfigError(
                f"model.net.options has {str(name)[:80]!a}, which is not allowed; give arguments "
                f"of timm's constructors for the architecture, such as patch_size or act_layer."
            )
        if not _is_plain(value):
            raise ConfigError(
                f"model.net.options.{name} is {str(value)[:80]!a}; give a number, one word or a "
                f"list of these."
            )


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float)
