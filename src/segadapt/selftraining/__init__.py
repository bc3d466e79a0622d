"""Self-training in rounds (CBST, CBST-SP and plain ST): thresholds, spatial priors, pseudo-labels, a round's data.

Source: protocol of CBST ``issegm/solve_AO.py`` and ``issegm/data.py`` (commit 24439a5), with CRST ``crst_seg.py``
(commit f7e4df0), its PyTorch sibling on DeepLab-v2, as the template.
"""
