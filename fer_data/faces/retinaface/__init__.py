"""RetinaFace on MobileNet-0.25: network, anchors, weights, detector."""
