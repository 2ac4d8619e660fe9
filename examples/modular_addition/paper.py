"""What several files of claims cite, and what they hold over."""

NANDA = "Nanda et al. 2023"  # Progress measures for grokking via mechanistic interpretability, arXiv 2301.05217
ZHONG = "Zhong et al. 2023"  # The Clock and the Pizza, arXiv 2306.17844
EVERY_PAIR = "all 961 pairs"
WEIGHTS = "the weights"
