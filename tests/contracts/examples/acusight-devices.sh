# createProvisioningToken 201 APT=data.token TOKEN_ID=data.id
curl -X POST "$API/api/provisioning-tokens" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"name": "Line 1", "expires_in_days": 7, "single_use": false}'

# listProvisioningTokens 200
curl "$API/api/provisioning-tokens?page=1&per_page=20" -H "Authorization: Bearer $ACUSIGHT_JWT"

# provisionDevice 201 KEY=data.api_key DEVICE=data.device_id
curl -X POST "$API/api/devices/provision" \
  -H "Content-Type: application/json" \
  -d "{\"token\": \"$APT\", \"device_info\": {\"device_id\": \"edge-$UNIQUE\", \"name\": \"Edge 1\", \"agent_version\": \"1.0\"}}"

# getDeviceSelf 200
curl "$API/api/device/self" -H "X-Device-Key: $KEY"

# deviceCheckin 200
curl -X POST "$API/api/device/checkin" \
  -H "X-Device-Key: $KEY" -H "Content-Type: application/json" \
  -d '{"status": "healthy", "metrics": {"cpu_usage": 31.5, "memory_usage": 48.0, "temperature": 51.2}}'

# uploadDeviceImage 201 IMAGE_ID=data.image_id
curl -X POST "$API/api/device/images/upload" \
  -H "X-Device-Key: $KEY" -F "image=@$IMAGE;type=image/jpeg" -F 'metadata={"source": "entrance"}'

# revokeProvisioningToken 200
curl -X DELETE "$API/api/provisioning-tokens/$TOKEN_ID" -H "Authorization: Bearer $ACUSIGHT_JWT"

# getOrganization 200
curl "$API/api/organization" -H "Authorization: Bearer $ACUSIGHT_JWT"

# updateOrganization 200
curl -X PATCH "$API/api/organization" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" -d '{"name": "Sights Ltd"}'
